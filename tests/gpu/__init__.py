"""The check of the GPU path: `make test-gpu` (see docs/gpu.md)."""
