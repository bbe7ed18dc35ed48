"""The human study: blind samples out, labels back in."""
