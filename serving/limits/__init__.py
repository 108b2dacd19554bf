"""How much each tenant may use: counted over all its applications and all gateway replicas, and enforced."""
