"""The foundation: errors, digests, manifests, the object store, settings, connections."""
