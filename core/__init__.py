"""Words of all rooms: errors, settings, records, artifacts. Imports nothing else of ours."""
