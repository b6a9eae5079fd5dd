"""The code blocks of the README, adapted to run against the servers of a test."""

from dataclasses import dataclass

from support.fenced import fenced
from support.programs import ROOT


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    code: str

    def pointed_at(self, addresses: dict[str, str]) -> str:
        """Return the code with each address of the README replaced by the test's address."""
        code = self.code
        for written, real in addresses.items():
            code = code.replace(written, real)
        return code


def blocks(language: str) -> list[Block]:
    """Return the README's blocks of a language, in order."""
    text = (ROOT / "README.md").read_text()
    return [Block(language, code) for code in fenced(text, language)]


TLS = [block for block in blocks("sh") if ".crt" in block.code]
SERVE = [block for block in blocks("sh") if "tokenwire serve" in block.code and block not in TLS]
MAKE = [block for block in blocks("sh") if block.code.startswith("make ")]
GRPCURL = [block for block in blocks("sh") if block.code.startswith("grpcurl ")]
PROTOC = [block for block in blocks("sh") if block.code.startswith("protoc ")]
CONTAINERS = [block for block in blocks("sh") if block.code.startswith("docker ")]
CLIENTS = [
    block
    for block in blocks("sh")
    if block.code.startswith(("tokenwire chat", "tokenwire probe", "curl ")) and block not in TLS
]
