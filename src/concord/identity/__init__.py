"""Who is who: keys, clusters, person ids, survivorship."""
