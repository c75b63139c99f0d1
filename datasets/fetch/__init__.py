"""Raw files brought into their folder: fetched and verified, unpacked safely."""
