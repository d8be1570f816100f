"""The browser app in which people confirm or refuse overlap candidates."""
