"""An agent that asks before it acts. Set EXPACTI_URL and EXPACTI_TOKEN, or log in first."""

from __future__ import annotations

from expacti_agent import Client, CommandSpec, DeniedError, ExpactiError


def main() -> None:
    """Run two commands, each after its approval."""
    with Client() as client:
        for argv in (("uptime",), ("df", "-h", "/")):
            spec = CommandSpec(
                argv=argv, reason="nightly health check", context={"session": "example"}, ttl_s=120
            )
            try:
                result = client.run(spec, capture=True)
            except DeniedError as refusal:
                print(f"refused, I do something else: {refusal.reason or refusal.code}")
            except ExpactiError as error:
                print(f"it did not run: {error} {error.remedy}")
            else:
                print(result.status, (result.stdout or b"").decode(errors="replace"))


if __name__ == "__main__":
    main()
