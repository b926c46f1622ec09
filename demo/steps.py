"""The six steps, from a bare inventory to a stopped attacker and a second release."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from demo.acts import NAME, SALARIES, Marks, run, start_namesake
from demo.controller import Controller
from demo.fleet import Fleet
from demo.screen import DemoError, Screen

ROOT = Path(__file__).parents[1]
FILES = Path(__file__).with_name("files")
ATTACKED, INNOCENT = "web1", "web2"
CREDENTIALS = "Credential file read by untrusted program"
PAYROLL = "Payroll read outside the payroll program"
MARK = "Demo mark"
MARKS_PER_SECOND = 200
MS = 1_000_000
ENDS = ("done", "failed", "refused")
MEANING = {
    "event": "the system call returned, on the host",
    "matched": "the rule matched",
    "spooled": "the alert is on the host's disk",
    "received": "the alert is at the controller",
    "planned": "the playbook decided, and the decision is stored with the alert",
    "sent": "the action left for the host",
    "started": "the responder began, on the host",
    "ended": "the process is gone",
    "done": "the result is at the controller",
}
"""What the steps of an action's timeline mean."""


class Demo:
    """One run of the demo, on a fleet that is up."""

    def __init__(self, screen: Screen, fleet: Fleet) -> None:
        self.screen = screen
        self.fleet = fleet
        self.project = fleet.folder / "project"
        self.tercel = Controller(screen, self.project, fleet.inventory)

    def run(self) -> None:
        """Show all six steps. Raises DemoError if one does not show what it promises."""
        for step in (self.introduce, self.check, self.install, self.attack, self.swap, self.status):
            step()

    def logs(self) -> dict[str, Path]:
        """Return the logs that tell why a step failed, by what they are of."""
        agents = {
            f"agent of {name}": host.folder / "var/log/tercel/agent.log"
            for name, host in self.fleet.hosts.items()
        }
        return {"tercel run": self.tercel.log, **agents}

    def prepare(self) -> None:
        """Lay out what an operator keeps in a repository: rules, playbooks, configuration."""
        self.project.mkdir()
        shutil.copytree(ROOT / "rules", self.project / "rules")
        shutil.copy(FILES / "marks.yaml", self.project / "rules/90-marks.yaml")
        (self.project / "playbooks").mkdir()
        shutil.copy(FILES / "playbook.yaml", self.project / "playbooks/credentials.yaml")
        (self.project / "config").mkdir()
        shutil.copy(ROOT / "config/falco.yaml.j2", self.project / "config")
        for host in self.fleet.hosts.values():
            host.run(["mkdir", "-p", str(Path(SALARIES).parent)])
            host.run(["sh", "-c", f"echo name,salary > {SALARIES}"])

    def introduce(self) -> None:
        """Step 1."""
        with self.screen.step(1, "Three simulated hosts, each with its own namespaces and sshd"):
            for host in self.fleet.hosts.values():
                self.screen.good(
                    f"{host.name} is up at {host.address} with the host key {host.public_key[-12:]}"
                )
            self.screen.say(f"  everything is below {self.fleet.folder}", "dim")
            self.prepare()

    def check(self) -> None:
        """Step 2."""
        with self.screen.step(2, "What are they, and is anything missing?"):
            self.tercel.run("host", "check")

    def install(self) -> None:
        """Step 3."""
        with self.screen.step(3, "The agent and release 1 go to each of them over SSH"):
            self.tercel.run("host", "install")
            self.release("the rules that ship")
            self.tercel.start(len(self.fleet.hosts))

    def release(self, description: str) -> None:
        """Build a release of the project and push it."""
        self.tercel.run("release", "build", "-m", description)
        self.tercel.run("push")

    def attack(self) -> None:
        """Step 4."""
        with self.screen.step(4, "An attack, and the answer"):
            attacked, innocent = self.fleet[ATTACKED], self.fleet[INNOCENT]
            bystander = start_namesake(self.screen, innocent, "/etc/hostname")
            attacker = start_namesake(self.screen, attacked, "/etc/shadow")
            action = self.screen.wait(
                "the alert, the decision and the end of the action", self._ended_action, 20
            )
            self._show_action(action)
            pid = action["target"]["ns_pid"]
            if attacker.poll() is None or attacked.pids(NAME):
                raise DemoError(f"{NAME} on {attacked.name}, pid {pid}, still lives")
            self.screen.good(f"{NAME} on {attacked.name} (pid {pid}), which read the passwords, is dead")
            if bystander.poll() is not None or not innocent.pids(NAME):
                raise DemoError(f"{NAME} on {innocent.name} read nothing secret and is dead")
            (pid,) = innocent.pids(NAME)
            self.screen.good(f"{NAME} on {innocent.name} (pid {pid}), which read nothing secret, lives")

    def _ended_action(self) -> dict[str, Any] | None:
        self.tercel.check_running()
        ended = (action for action in self.tercel.actions() if action["state"] in ENDS)
        return next((action for action in ended if action["alert_rule"] == CREDENTIALS), None)

    def _show_action(self, action: dict[str, Any]) -> None:
        """Show what became of the alert, step by step, with the time from one to the next."""
        (alert,) = self.tercel.alerts(CREDENTIALS)
        self.screen.say(f"  {alert['priority']}: {alert['output']}", "red")
        steps = action["timeline"]
        begin = before = steps[0]["at_ns"]
        for step in steps:
            at = step["at_ns"]
            what = MEANING.get(step["step"], "")
            self.screen.say(
                f"  {(at - begin) / MS:9.2f} ms  {(at - before) / MS:+8.2f}  {step['step']:9} {what}"
            )
            before = at
        if action["state"] != "done":
            raise DemoError(f"the action is {action['state']}: {action['result']}")

    def swap(self) -> None:
        """Step 5."""
        with self.screen.step(5, "Release 2 adds a rule: no restart, no lost event"):
            host = self.fleet[ATTACKED]
            marks = Marks(host, MARKS_PER_SECOND)
            pid = self._agent_pid()
            run(self.screen, host, ["cat", SALARIES])
            shutil.copy(FILES / "payroll.yaml", self.project / "rules/80-payroll.yaml")
            self.screen.command(
                ["cp", str((FILES / "payroll.yaml").relative_to(ROOT)), "rules/80-payroll.yaml"]
            )
            self.release("salaries are watched")
            run(self.screen, host, ["cat", SALARIES])
            alert = self.screen.wait("the alert of the new rule", lambda: self._alert(PAYROLL), 20)
            self.screen.say(f"  {alert['priority']}: {alert['output']}", "red")
            self._check_swap(pid, marks.stop())

    def _check_swap(self, pid: str, marks: int) -> None:
        """Check that nothing was restarted, that nothing was lost, and that the first reading was silent."""
        if (now := self._agent_pid()) != pid:
            raise DemoError(f"the agent was pid {pid} and is pid {now}")
        self.screen.good(f"the agent is the same process as before: pid {pid}")
        if len(alerts := self.tercel.alerts(PAYROLL)) != 1:
            raise DemoError(f"the same act twice, once under each release, raised {len(alerts)} alerts")
        self.screen.good("the same act was silent under release 1 and raised an alert under release 2")
        arrived = self.screen.wait(f"{marks} marks to arrive", lambda: self._arrived(marks), 20)
        if arrived != list(range(marks)):
            raise DemoError(f"of {marks} marks {len(set(arrived))} arrived, {len(arrived)} alerts in all")
        self.screen.good(
            f"{marks} marks were set across the change, {len(arrived)} alerts arrived: each one, once"
        )

    def _arrived(self, marks: int) -> list[int] | None:
        names = (alert["output_fields"]["fd.name"] for alert in self.tercel.alerts(MARK))
        numbers = [int(name.rsplit("/", 1)[-1]) for name in names]
        return sorted(numbers) if marks - 1 in numbers else None

    def _agent_pid(self) -> str:
        return self.fleet[ATTACKED].run(["cat", "/run/tercel/agent.pid"]).stdout.strip()

    def _alert(self, rule: str) -> dict[str, Any] | None:
        self.tercel.check_running()
        return next(iter(self.tercel.alerts(rule)), None)

    def status(self) -> None:
        """Step 6."""
        with self.screen.step(6, "Where every host stands"):
            self.tercel.run("status")
            if (code := self.tercel.stop()) != 0:
                raise DemoError(f"tercel run ended with exit code {code}")
