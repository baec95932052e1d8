"""What a build will cost, before it begins."""
