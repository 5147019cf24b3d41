"""What the photographed organization has been asked to run."""

from __future__ import annotations

from typing import Any

from tests.e2e.asking import Asker

WANTED = {
    "domain": "northwind.example",
    "people": [
        ("mira", "Mira Lindqvist", True),
        ("jonas", "Jonas Weber", True),
        ("aiko", "Aiko Tanaka", True),
        ("noor", "Noor Haddad", True),
        ("newcomer", "Nils Newcomer", False),
    ],
    "organizations": [
        {
            "name": "Northwind",
            "slug": "northwind",
            "members": [("mira", "owner"), ("jonas", "reviewer"), ("aiko", "reviewer"), ("newcomer", "reviewer")],
            "agents": [
                ("deploy-bot", "Rolls releases out and back"),
                ("ci-runner", ""),
                ("claude-code", "Pair programmer on the build machines"),
            ],
        },
        {
            "name": "Empty Quarter",
            "slug": "empty-quarter",
            "members": [("noor", "owner"), ("mira", "admin")],
            "agents": [],
        },
    ],
}
PSQL = "psql --host=db-1.internal --dbname=shop --command=" + "ANALYZE orders; " * 3
SHELL = "cd /srv/app && git pull --ff-only origin main && make build | tee build.log; systemctl --user restart web"
RISKY = {
    "PATH": "/tmp/tools:/usr/bin",
    "LD_PRELOAD": "/tmp/hook.so",
    "LANG": "C.UTF-8",
    "NODE_ENV": "production",
    "EDITOR": None,
}


def ask_everything(agents: dict[str, Asker]) -> dict[str, dict[str, Any]]:
    """Fill the queue with one command of each kind; return them by name, oldest first."""
    bot, ci, claude = agents["deploy-bot"], agents["ci-runner"], agents["claude-code"]
    long_script = " && ".join(f"rsync --archive --delete build/part-{n}/ web-{n}:/srv/app/part-{n}/" for n in range(14))
    return {
        "plain": bot.ask(
            "git",
            "push",
            "--force-with-lease",
            "origin",
            "release/2026.11",
            reason="The hotfix for the checkout is green; the release branch has to move back to it.",
        ),
        "shell": claude.ask(
            line=SHELL, cwd="/srv/app", host="build-2", reason="Deploy the build that you reviewed this morning."
        ),
        "risky": ci.ask("npm", "run", "build", env=RISKY, stdin="open", host="ci-7", user="ci", ttl=600),
        "hidden": claude.ask(
            "chmod",
            "700",
            "report\u202etxt.exe",
            "/srv/\u200bapp",
            "",
            "a\u00a0b",
            "\u0441url",
            "new\nline",
            reason="Make the report private \u202e.evird eht",
            host="build-2",
        ),
        "unbound": bot.ask(line="kubectl scale deploy web --replicas=3 > /dev/null", exe=None, ttl=1200),
        "long": bot.ask(line=long_script, ttl=5400),
    }
