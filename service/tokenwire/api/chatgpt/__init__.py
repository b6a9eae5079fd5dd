"""The service openai.Chatgpt."""
