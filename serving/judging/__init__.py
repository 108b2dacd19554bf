"""Judging: pure asyncio over two small protocols. Imports no Ray, FastAPI or vLLM."""
