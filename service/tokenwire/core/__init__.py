"""The terms that all other parts share; it knows neither gRPC, LangChain nor HTTP."""
