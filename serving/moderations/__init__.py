"""An application has its own texts judged, in the form of OpenAI's moderations."""
