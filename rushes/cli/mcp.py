"""`rushes mcp`: lets an assistant on this machine make films in a studio, over standard input and output."""

from __future__ import annotations

import os

import click


@click.command("mcp")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The studio's address.")
def command(url: str) -> None:
    """Serve the studio's MCP tools over stdio; the API key is $RUSHES_API_KEY."""
    from rushes.serve.client import mcp

    mcp.server(mcp.at(url, os.environ.get("RUSHES_API_KEY", ""))).run("stdio")
