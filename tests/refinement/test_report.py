"""What a report tells."""

import csv
import io

from hqtrack.refinement import ObjectRefinement, RefinementReport
from hqtrack.refinement.report import FIELDS

REPORT = RefinementReport(
    0.1,
    (ObjectRefinement(1, 0.5, 0.9, kept=True), ObjectRefinement(2, 0.05, 0.7), ObjectRefinement(3)),
)


def test_a_report_is_one_line_of_a_log():
    assert str(REPORT) == (
        "tau 0.1; 1: IoU 0.500, quality 0.900, kept; 2: IoU 0.050, quality 0.700, not kept; 3: not visible"
    )


def test_a_report_is_rows_of_a_table():
    table = io.StringIO()
    writer = csv.DictWriter(table, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(REPORT.rows(frame=12))
    assert table.getvalue().splitlines() == [
        "frame,object,iou,quality,kept",
        "12,1,0.5,0.9,True",
        "12,2,0.05,0.7,False",
        "12,3,,,False",
    ]
