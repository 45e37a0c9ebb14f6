<?php
// SPDX-License-Identifier: Apache-2.0
// As vars.pl, in PHP.
if (preg_match('/^to=(.*)/', $_SERVER['QUERY_STRING'] ?? '', $to)) {
    header("Location: $to[1]");
    http_response_code(200);
} else {
    header('Content-Type: application/json');
    echo json_encode($_SERVER + ['FILE' => __FILE__]);
}
