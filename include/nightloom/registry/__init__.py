"""The registry: refs and their log, nights and outcomes, leases, and an index of the store's manifests."""
