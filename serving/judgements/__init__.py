"""Verdicts that can be read again after the answer: `GET /v1/judgements/{request_id}`."""
