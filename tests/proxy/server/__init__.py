"""The server, without the relay: raw bytes in, any app, raw bytes out."""
