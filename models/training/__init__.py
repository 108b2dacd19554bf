"""Training the default judge: data, mix, LoRA fine-tune, calibration, export and merge."""
