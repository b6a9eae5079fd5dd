"""The services xai_api.Chat, xai_api.Models and xai_api.Auth."""
