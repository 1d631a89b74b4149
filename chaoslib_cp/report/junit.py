"""A result for machines that read test results: JUnit XML, one test case for each thing that was judged.

Source: the schema that Jenkins publishes (junit-10.xsd); other readers take the same elements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as Xml


@dataclass(frozen=True)
class Case:
    """One test case.

    Attributes:
        name: What was judged.
        outcome: ``passed``, ``failed``, or ``error`` where it could not be judged.
        words: Why, in one line.
    """

    name: str
    outcome: Literal["passed", "failed", "error"]
    words: str


def junit_xml(suite: str, cases: Sequence[Case], took_s: float) -> str:
    """The text of a file.

    Args:
        suite: Name of the test suite.
        cases: Its test cases.
        took_s: Seconds that all of it took.
    """
    counted = {outcome: str(sum(case.outcome == outcome for case in cases)) for outcome in ("failed", "error")}
    facts = {"tests": str(len(cases)), "failures": counted["failed"], "errors": counted["error"]}
    root = Xml.Element("testsuites", {"name": suite, **facts})
    one = Xml.SubElement(root, "testsuite", {"name": suite, **facts, "time": f"{took_s:.3f}"})
    for case in cases:
        element = Xml.SubElement(one, "testcase", {"classname": suite, "name": case.name})
        if case.outcome == "passed":
            Xml.SubElement(element, "system-out").text = case.words
        else:
            kind = "failure" if case.outcome == "failed" else "error"
            Xml.SubElement(element, kind, {"message": case.words}).text = case.words
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
