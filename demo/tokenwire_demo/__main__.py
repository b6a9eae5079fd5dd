"""Runs the command `tokenwire-demo`."""

from tokenwire_demo.command import main

if __name__ == "__main__":
    main()
