"""Applications that violate too often are shut out until a supervisor lets them in again."""
