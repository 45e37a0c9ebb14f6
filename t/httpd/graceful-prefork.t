#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# 20 gracefuls in 20 s under load: no request is lost, with MPM prefork.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Scenario;

graceful_under_load('prefork');
