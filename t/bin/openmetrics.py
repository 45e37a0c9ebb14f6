#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# OpenMetrics text on standard input, read by the reference parser, as JSON: a
# list of families, each with name, type, unit and samples [name, labels,
# value].  Exit status 1: it is not valid, which is said.
import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

try:
    families = list(text_string_to_metric_families(sys.stdin.read()))
except ValueError as e:
    print(e, file=sys.stderr)
    sys.exit(1)
json.dump([{"name": f.name, "type": f.type, "unit": f.unit,
            "help": f.documentation,
            "samples": [[s.name, s.labels, s.value] for s in f.samples]}
           for f in families], sys.stdout)
