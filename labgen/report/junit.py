"""Findings as JUnit XML, the form that CI systems show: one test case per finding."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from labgen.check.model import Finding, Status

_ELEMENT = {Status.FAIL: "failure", Status.ERROR: "error", Status.SKIP: "skipped"}


def junit(findings: Sequence[Finding], *, lab: str) -> str:
    """A `<testsuites>` document. SKIP, FAIL and ERROR map to JUnit's own three elements."""
    counts = {status: sum(f.status is status for f in findings) for status in Status}
    numbers = {
        "tests": str(len(findings)),
        "failures": str(counts[Status.FAIL]),
        "errors": str(counts[Status.ERROR]),
        "skipped": str(counts[Status.SKIP]),
    }
    root = ET.Element("testsuites", numbers)
    suite = ET.SubElement(root, "testsuite", {"name": f"labgen verify {lab}", **numbers})
    for finding in findings:
        case = ET.SubElement(
            suite,
            "testcase",
            {
                "classname": f"{lab}.{finding.rung.title}",
                "name": f"{finding.check}: {finding.subject}",
            },
        )
        if element := _ELEMENT.get(finding.status):
            body = ET.SubElement(case, element, {"message": _clean(finding.observed)})
            lines = [f"expected: {finding.expected}", f"observed: {finding.observed}"]
            lines += [f"evidence: {item}" for item in finding.evidence]
            body.text = _clean("\n".join(lines))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """XML 1.0 has no control characters but tab, newline and return."""
    return "".join(c for c in text if c >= " " or c in "\t\n\r")
