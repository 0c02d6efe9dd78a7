#!/usr/bin/env python3
"""Unit tests of the report and of how a workload's output becomes a figure."""

import html.parser
import unittest

import report
import workload

TIME = {"group": "g", "name": "time", "unit": "s", "rate": False, "target": 1.5,
        "values": {"native": [1.0, 2.0, 4.0], "ours": [1.2, 4.0, None], "gvisor": [10.0, 20.0, 40.0]}}
RATE = {"group": "g", "name": "rate <&>", "unit": "/s", "rate": True, "target": None,
        "values": {"native": [100.0], "ours": [25.0]}}


class Ratios(unittest.TestCase):
    def test_are_of_the_same_round(self):
        self.assertEqual(report.ratios(TIME, "ours"), [1.2, 2.0])
        self.assertEqual(report.median_ratio(TIME, "gvisor"), 10.0)

    def test_of_a_rate_say_how_much_slower(self):
        self.assertEqual(report.median_ratio(RATE, "ours"), 4.0)

    def test_none_when_it_never_ran(self):
        self.assertIsNone(report.median_ratio(TIME, "crun"))

    def test_a_target_is_missed_by_a_greater_ratio_and_by_failing(self):
        self.assertTrue(report.missed(TIME))
        self.assertFalse(report.missed(RATE))
        self.assertTrue(report.missed({**TIME, "values": {"native": [1.0], "ours": [None]}}))

    def test_an_earlier_run_keeps_its_own_ratio(self):
        earlier = {**TIME, "values": {"native": [10.0], "ours": [30.0]}}
        row = {**TIME, "values": {k: list(v) for k, v in TIME["values"].items()}}
        report.with_before([row], [earlier])
        self.assertEqual(report.median_ratio(row, "before"), 3.0)


class Outputs(unittest.TestCase):
    def test_table_marks_missed_targets(self):
        text = report.markdown([TIME, RATE], ["native", "gvisor", "ours"])
        self.assertIn("| g | time | 2 s | 10.00 | **1.60** | 1.5 |", text)
        self.assertIn("| g | rate <&> | 100 /s | - | 4.00 |  |", text)

    def test_page_is_whole_and_escaped(self):
        page = report.page([TIME, RATE], ["native", "ours"], {"commit": "<x>"}, ["a & b"])
        seen = []
        parser = html.parser.HTMLParser()
        parser.handle_starttag = lambda tag, attributes: seen.append(tag)
        parser.feed(page)
        self.assertEqual(seen.count("svg"), 2)
        self.assertIn("rate &lt;&amp;&gt;", page)
        self.assertIn("&lt;x&gt;", page)


class Workloads(unittest.TestCase):
    def test_time_counts_unless_there_is_a_figure(self):
        timed = workload.outcome_of(workload.Workload("n", "r"), "out\nseconds 1500000\n")
        self.assertEqual(timed.value, 1.5)
        figure = workload.Workload("n", "r", figure=r"(\d+) ops")
        self.assertEqual(workload.outcome_of(figure, "7 ops\nseconds 1\n").value, 7)
        self.assertIsNone(workload.outcome_of(figure, "none\nseconds 1\n").value)

    def test_different_output_differs(self):
        one = workload.Workload("n", "r")
        digests = {workload.outcome_of(one, text).digest for text in ("a\nseconds 1\n", "a\nseconds 2\n", "b\nseconds 1\n")}
        self.assertEqual(len(digests), 2)

    def test_files_hold_good_workloads(self):
        found = workload.load()
        self.assertEqual(len({w.name for w in found}), len(found))
        self.assertGreater(len(found), 30)


if __name__ == "__main__":
    unittest.main()
