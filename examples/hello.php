<!DOCTYPE html>
<html lang="en">
<!-- SPDX-License-Identifier: Apache-2.0 -->
<title>Hello from PHP</title>
<style>body { font-family: sans-serif; margin: 2em }
th { text-align: left; padding-right: 1em }</style>
<h1>Hello from PHP <?= PHP_VERSION ?>, worker <?= getmypid() ?></h1>
<table>
<?php
ksort($_SERVER);
foreach ($_SERVER as $name => $value) {
    if (is_string($value)) {
        printf("<tr><th>%s<td>%s\n", htmlspecialchars($name),
            htmlspecialchars($value));
    }
}
?>
</table>
</html>
