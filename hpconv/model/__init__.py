"""The search space and typed pipelines, independent of images and engines."""
