"""Lets `python -m rushes` do what `rushes` does."""

from rushes.cli.main import main

if __name__ == "__main__":
    main(prog_name="rushes")
