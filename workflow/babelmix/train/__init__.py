"""Training: from conversations and a base model to a fine-tuned checkpoint."""
