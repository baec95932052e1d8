// 04 Knowledge around an item
// What all users' verified steps say leads to the item, and from it.
// Parameters: namespace, item (its title)
MATCH (item:Item {namespace: $namespace, name: $item})
MATCH known = (item)-[:KNOWN_FOR|LEADS_TO]-(k:Knowledge)-[:KNOWN_FOR|LEADS_TO]-(:Item)
RETURN known ORDER BY k.uses DESC, k.score DESC LIMIT 50
