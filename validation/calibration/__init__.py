"""From what the model sweeps to USD that are liquidated, fitted on recorded liquidations."""
