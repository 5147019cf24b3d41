"""Several commands wait for their approvals at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from expacti_agent import AsyncClient, CommandSpec, ExpactiError, Progress

if TYPE_CHECKING:
    from expacti_agent.command import Command


class Links(Progress):
    """Prints where a person can decide."""

    def waiting(self, command: Command) -> None:
        """Print the review page, at each long poll."""
        print("please review", command.review_url)


async def ask(name: str, *argv: str) -> None:
    """Run one command and print how it ended."""
    async with AsyncClient(progress=Links()) as client:
        try:
            result = await client.run(CommandSpec(argv=argv, reason=name), capture=True)
        except ExpactiError as error:
            print(name, "did not run:", error)
        else:
            print(name, "ended with", result.status)


async def main() -> None:
    """Ask for both at once."""
    await asyncio.gather(ask("time", "date"), ask("disk", "df", "-h"))


if __name__ == "__main__":
    asyncio.run(main())
