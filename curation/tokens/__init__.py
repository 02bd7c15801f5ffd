"""Tokeniser and token shards."""
