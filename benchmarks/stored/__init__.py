"""What a million stored deliveries cost: a receiver whose inbox is full beside one whose inbox is nearly empty."""
