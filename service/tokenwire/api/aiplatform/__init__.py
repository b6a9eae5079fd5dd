"""The service google.cloud.aiplatform.v1beta1.PredictionService."""
