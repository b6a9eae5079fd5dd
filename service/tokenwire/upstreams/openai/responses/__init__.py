"""The responses dialect of OpenAI's API.

Specification: https://platform.openai.com/docs/api-reference/responses-streaming
"""
