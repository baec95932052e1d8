"""A real Neo4j server out of Maven, for tests, benchmarks and `make neo4j` in a clone. Not in the wheel."""
