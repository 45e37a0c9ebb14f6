-- SPDX-License-Identifier: Apache-2.0
-- What bench/run reads of a run of wrk; the line that bench/bare.c prints.
-- With a number of bytes behind the URL, each request is a POST of that many.
init = function(args)
    if args[1] then
        wrk.method = "POST"
        wrk.body = string.rep("x", tonumber(args[1]))
    end
end

done = function(summary, latency)
    local e = summary.errors
    io.write(string.format("requests=%d bad=%d seconds=%.3f mean_us=%.2f "
        .. "p50_us=%.2f p99_us=%.2f\n", summary.requests,
        e.connect + e.read + e.write + e.status + e.timeout,
        summary.duration / 1e6, latency.mean, latency:percentile(50),
        latency:percentile(99)))
end
