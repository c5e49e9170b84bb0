"""What every plugin builds on: readings, the catalogue, identity, options, errors. Imports nothing above it."""
