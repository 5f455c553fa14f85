"""What repairs of systemd's units have in common: one fixed verb of the service helper, which a person approves."""

from __future__ import annotations

from typing import ClassVar

from channels.service_helper import HelperRefused, ask_helper, is_helper_here
from repairs.base import Outcome, Repair, RepairFailed, Situation


class UnitVerb(Repair):
    """A repair that is one verb of deploy/lux-service; never free text."""

    tier = "P"
    verb: ClassVar[str]

    def verb_for(self, situation: Situation) -> str:
        """The verb; a repair that knows several chooses by facts."""
        return self.verb

    def find_obstacle(self, situation: Situation) -> str | None:
        if is_helper_here(situation.settings.service_helper):
            return None
        return (
            "This machine has no service helper (lux-helper.socket), so LUX cannot touch its units. As root: "
            f"lux-service {self.verb_for(situation)}."
        )

    def dry_run(self, situation: Situation) -> str:
        return f"Ask the service helper for one verb: {self.verb_for(situation)}"

    def run(self, situation: Situation) -> Outcome:
        verb = self.verb_for(situation)
        try:
            said = ask_helper(situation.settings.service_helper, verb)
        except HelperRefused as error:
            raise RepairFailed(str(error)) from error
        return Outcome(f"The service helper has done {verb}.", {}, {"said": said[-500:]})
