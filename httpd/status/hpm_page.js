// SPDX-License-Identifier: Apache-2.0
// The status page: it asks for ?json every two seconds and changes what has
// changed.  What comes from there is only ever set as text.  Which figures
// there are, and what they are called, the page says in "rows".
"use strict";
(function () {
    const EVERY = 2000;              // ms between two looks
    const SPAN = 300000;             // ms that the drawings show
    const doc = document;
    doc.documentElement.className = "js";
    const app = doc.getElementById("app");
    const METRICS = JSON.parse(doc.getElementById("rows").textContent);
    const byName = new Intl.Collator(undefined, {numeric: true}).compare;
    const history = new Map();       // pool -> samples; "" is all of them
    const rows = new Map();          // pool -> what its row is made of
    const open = new Set();
    let last = null;                 // the last status
    let order = {by: "name", down: false};

    // --- elements

    function el(tag, cls, text) {
        const e = doc.createElement(tag);
        if (cls) e.className = cls;
        if (text !== undefined) e.textContent = text;
        return e;
    }
    function svg(tag, cls) {
        const e = doc.createElementNS("http://www.w3.org/2000/svg", tag);
        if (cls) e.setAttribute("class", cls);
        return e;
    }
    function text(e, s) {
        s = String(s);
        if (e.textContent !== s) e.textContent = s;
    }
    function attr(e, name, value) {
        if (e.getAttribute(name) !== value) e.setAttribute(name, value);
    }
    function add(parent, ...children) {
        parent.append(...children);
        return parent;
    }

    // --- numbers

    function count(n) {
        return n.toLocaleString("en").replace(/,/g, "\u202f");
    }
    function rate(n) {
        return n === null ? "\u2013" : n === 0 ? "0"
            : n < 10 ? n.toFixed(1) : count(Math.round(n));
    }
    function span(s) {               // seconds
        if (s < 0.00005) return "0 ms";
        if (s < 0.0995) return (s * 1000).toFixed(s < 0.00995 ? 1 : 0) + " ms";
        if (s < 1) return Math.round(s * 1000) + " ms";
        if (s < 10) return s.toFixed(1) + " s";
        if (s < 120) return Math.round(s) + " s";
        if (s < 7200) return Math.round(s / 60) + " min";
        if (s < 172800) return Math.round(s / 3600) + " h";
        return Math.round(s / 86400) + " d";
    }
    function size(n) {
        return n ? (n / 1048576).toFixed(1) + " MB" : "\u2013";
    }

    // --- figures

    const SHOW = {                   // by type
        text: String, state: String, flag: String, number: String,
        counter: count, bytes: size,
        seconds: (s) => s ? span(s) : "\u2013"
    };
    function head(member) {
        return METRICS.pool.find((m) => m.member === member).head;
    }

    // --- what has been

    function sample(now, p) {
        return {
            at: now, busy: p.busy, workers: p.workers, queue: p.queue,
            requests: p.requests, count: p.request_time.count,
            sum: p.request_time.sum, failures: failures(p), rate: null
        };
    }
    // It answers requests with 503, or starts workers in vain.
    function fails(p) {
        return p.state === "backoff" || p.state === "stopped";
    }
    // In the time that the drawings show, also before the page was opened: the
    // manager tells when the last one was.
    function hadError(p) {
        return p.last_error_age > 0 && p.last_error_age * 1000 < SPAN;
    }
    // Failures of one pool, or of all, in that time.
    function isBad(number, list, ofPools) {
        return number > list[0].failures || ofPools.some(hadError);
    }
    function failures(p) {
        return p.crashed + p.killed + p.timed_out + p.refused;
    }
    function total(pools) {
        const t = {};
        const sum = (f) => pools.reduce((n, p) => n + f(p), 0);
        for (const {member, type, sum: adds} of METRICS.pool) {
            if (adds) t[member] = sum((p) => p[member]);
            if (type === "histogram") {
                t[member] = {count: sum((p) => p[member].count),
                    sum: sum((p) => p[member].sum)};
            }
        }
        return t;
    }
    function remember(key, now, p) {
        const list = history.get(key) || [];
        const s = sample(now, p);
        const before = list[list.length - 1];
        if (before) {
            const done = s.requests - before.requests;
            s.rate = done < 0 ? null : done / ((now - before.at) / 1000);
        }
        list.push(s);
        while (list.length > 2 && list[1].at < now - SPAN) list.shift();
        history.set(key, list);
        return list;
    }
    // Over the last half minute, so that numbers can be read.
    function recent(list) {
        const end = list[list.length - 1];
        let i = list.length - 1;
        while (i > 0 && list[i - 1].at >= end.at - 30000) i--;
        const begin = list[i];
        const n = end.count - begin.count;
        const done = end.requests - begin.requests;
        const s = (end.at - begin.at) / 1000;
        return {
            rate: s > 0 && done >= 0 ? done / s : null,
            time: n > 0 ? (end.sum - begin.sum) / n : null
        };
    }

    // --- drawings

    function spark(cls) {
        const e = svg("svg", cls);
        e.setAttribute("viewBox", "0 0 100 30");
        e.setAttribute("preserveAspectRatio", "none");
        e.setAttribute("aria-hidden", "true");
        const ground = svg("path", "ground");
        ground.setAttribute("d", "M0 29H100");
        add(e, ground, svg("path", "area"), svg("path", "edge"));
        return e;
    }
    // As many points as can be told apart, each the mean of its time.
    function points(list, field, step) {
        const out = [];
        let n = 0, slice = null;
        for (const s of list) {
            if (s[field] === null) continue;
            const now = Math.floor(s.at / step);
            if (now !== slice) {
                out.push({at: 0, value: 0});
                slice = now;
                n = 0;
            }
            const p = out[out.length - 1];
            p.at = s.at;
            p.value = (p.value * n + s[field]) / (n + 1);
            n++;
        }
        return out;
    }
    function draw(e, list, field, least) {
        const now = list[list.length - 1].at;
        const width = Math.min(SPAN, Math.max(60000, now - list[0].at));
        const ps = points(list, field, Math.max(EVERY, Math.ceil(width / 48)));
        const most = ps.reduce((m, p) => Math.max(m, p.value), 0);
        const top = Math.max(most, least);
        const at = (p) => Math.max(0, 100 - (now - p.at) / width * 100).toFixed(2);
        const path = most === 0 ? "" : ps.map((p) => at(p) + " " + (29 - p.value / top * 27).toFixed(2)).join("L");
        attr(e.children[2], "d", path ? "M" + path : "M0 29");
        attr(e.children[1], "d", path ? "M" + path + "V29H" + at(ps[0]) + "Z" : "M0 29");
    }
    function bars(e, counts) {
        const top = Math.max(1, ...counts);
        const bounds = last.time_bounds;
        counts.forEach((n, i) => {
            let b = e.children[i];
            if (!b) b = add(e.appendChild(svg("rect", "bar")), svg("title"));
            text(b.firstChild, (i ? span(bounds[i - 1]) : "0") + " to "
                + (i < bounds.length ? span(bounds[i]) : "ever") + ": " + count(n));
            const h = n ? Math.max(1.5, n / top * 38) : 0;
            attr(b, "x", (i * 10 + 1).toString());
            attr(b, "width", "8");
            attr(b, "y", (39 - h).toFixed(2));
            attr(b, "height", h.toFixed(2));
        });
    }

    // --- the frame

    const manager = doc.getElementById("manager");
    const clock = doc.getElementById("clock");
    const alarm = add(app, el("p", "alarm hide")).lastChild;
    alarm.setAttribute("role", "status");
    const tiles = add(app, el("div", "tiles")).lastChild;

    function tile(label, cls) {
        const t = el("div", "tile");
        const value = el("div", "value");
        const number = el("span");
        const of = el("small");
        add(value, number, of);
        add(t, el("div", "label", label), value);
        tiles.append(t);
        if (!cls) return {t, number, of};
        const s = spark(cls);
        t.append(s);
        return {number, of, s};
    }
    const busyTile = tile("Busy workers", "of-busy");
    const waitTile = tile("Waiting requests", "of-wait");
    const rateTile = tile("Requests a second", "of-rate");
    const failTile = tile("Failures");
    const failList = add(failTile.t, el("dl")).lastChild;
    const failParts = [
        ["crashed", "crashed"], ["killed", "killed"], ["refused", "refused"],
        ["timed_out", "late"]
    ].map(([k, label]) => {
        const dd = el("dd");
        add(failList, el("dt", "", label), dd);
        return [k, dd];
    });

    const COLUMNS = [
        ["name", head("name"), (p) => p.name],
        ["state", head("state"), (p) => p.state],
        ["busy", head("busy"), (p) => p.busy],
        ["queue", head("queue"), (p) => p.queue],
        ["rate", "Requests/s", (p, r) => r.rate === null ? -1 : r.rate],
        ["time", "Mean time", (p, r) => r.time === null ? -1 : r.time],
        ["requests", head("requests"), (p) => p.requests],
        ["failures", "Failures", (p) => failures(p)]
    ];
    const filterBox = el("input");
    filterBox.type = "search";
    filterBox.placeholder = "Pools whose name has\u2026";
    filterBox.setAttribute("aria-label", "Filter");
    filterBox.addEventListener("input", () => show());
    const sortBox = el("select");
    sortBox.setAttribute("aria-label", "Sort by");
    const sortLabel = el("div", "sortby");
    add(sortLabel, el("span", "soft", "Sort by "), sortBox);
    const pools = el("div", "pools");
    const table = el("table");
    const headRow = el("tr");
    add(app, add(el("div", "filter"), filterBox), sortLabel,
        add(pools, add(table, add(el("thead"), headRow))));
    for (const [key, label] of COLUMNS) {
        const th = el("th", key === "state" ? "left" : "");
        const b = el("button", "", label);
        b.type = "button";
        b.addEventListener("click", () => sortBy(key));
        headRow.append(add(th, b));
        const o = el("option", "", label);
        o.value = key;
        sortBox.append(o);
    }
    sortBox.addEventListener("change", () => sortBy(sortBox.value));

    function sortBy(key) {
        const words = key === "name" || key === "state";
        order = {by: key, down: order.by === key ? !order.down : !words};
        show();
    }

    // --- a pool

    function cell(row, label, cls) {
        const td = el("td");
        td.dataset.label = label;
        const box = add(td, el("div", "spark")).lastChild;
        const s = cls ? add(box, spark(cls)).lastChild : null;
        const num = add(box, el("div", "num")).lastChild;
        row.append(td);
        return {num, s};
    }
    function makeRow(key, p) {
        const body = el("tbody");
        const tr = el("tr", "pool");
        const name = el("td", "name");
        const button = el("button", "", p.name);
        button.type = "button";
        button.title = p.name;
        const state = el("span");
        add(tr, add(name, button), add(el("td", "left stateof"), state));
        const r = {body, tr, button, state, more: null};
        r.busy = cell(tr, head("busy"), "of-busy");
        r.queue = cell(tr, head("queue"), "of-wait");
        r.rate = cell(tr, "Requests/s", "of-rate");
        r.time = cell(tr, "Mean time");
        r.requests = cell(tr, head("requests"));
        r.failures = cell(tr, "Failures");
        tr.addEventListener("click", () => {
            if (open.has(key)) open.delete(key);
            else open.add(key);
            show();
        });
        body.append(tr);
        return r;
    }
    function fillRow(r, key, p, list, sums) {
        attr(r.state, "class", "state is-" + p.state);
        text(r.state, p.state);
        text(r.busy.num, p.busy + " / " + p.workers);
        text(r.queue.num, count(p.queue));
        text(r.rate.num, rate(sums.rate));
        text(r.time.num, sums.time === null ? "\u2013" : span(sums.time));
        text(r.requests.num, count(p.requests));
        text(r.failures.num, count(failures(p)));
        attr(r.failures.num, "class", isBad(failures(p), list, [p]) ? "num bad" : "num");
        draw(r.busy.s, list, "busy", Math.max(1, p.workers));
        draw(r.queue.s, list, "queue", 4);
        draw(r.rate.s, list, "rate", 1);
        const is = open.has(key);
        attr(r.button, "aria-expanded", String(is));
        if (is && !r.more) r.body.append((r.more = makeMore()).tr);
        if (!is && r.more) {
            r.more.tr.remove();
            r.more = null;
        }
        if (r.more) fillMore(r.more, p);
    }

    // --- more of a pool

    const FACTS = [
        ["Command", (p) => p.command],
        ["Socket", (p) => p.listen],
        ["Processes", (p) => (p.min === p.max ? p.min : p.min + " to " + p.max)
            + (p.requests_per_worker > 1
                ? ", " + p.requests_per_worker + " requests each" : "")],
        ["Workers", (p) => p.workers + " (" + p.idle + " idle, " + p.busy
            + " busy, " + p.starting + " starting), " + p.stopping + " stopping"],
        ["Started", (p) => count(p.spawned)],
        ["Ended", (p) => count(p.exited) + " exited, " + count(p.crashed)
            + " crashed, " + count(p.killed) + " killed"],
        ["Replaced", (p) => count(p.recycled) + " recycled, "
            + count(p.timed_out) + " over time"],
        ["Refused", (p) => count(p.refused_limit) + " queue full, "
            + count(p.refused_timeout) + " waited too long, "
            + count(p.refused_unavailable) + " not available"],
        ["Requests", (p) => count(p.aborted) + " aborted, "
            + count(p.retried) + " retried, "
            + count(p.reused) + " on kept connections"],
        ["Next start", (p) => p.retry_in ? "in " + span(p.retry_in) : ""],
        ["Last error", (p) => p.last_error]
    ];
    // A figure that neither these lines nor the columns have gets its own line.
    const HAVE = new Set(["name", "state", "min", "max", "workers", "idle",
        "busy", "starting", "stopping", "queue", "requests", "aborted",
        "retried", "reused", "refused", "spawned", "exited", "crashed", "killed",
        "recycled", "timed_out"]);
    for (const {member, head, type} of METRICS.pool) {
        if (head && !HAVE.has(member)) {
            FACTS.push([head, (p) => SHOW[type](p[member])]);
        }
    }
    function chart(cols, label) {
        const box = el("div", "chart");
        const sum = el("span", "soft");
        const e = svg("svg");
        e.setAttribute("viewBox", "0 0 160 40");
        e.setAttribute("preserveAspectRatio", "none");
        e.setAttribute("role", "img");
        e.setAttribute("aria-label", label);
        const ticks = add(el("div", "ticks"), el("span", "", "1 ms"),
            el("span", "", "10 ms"), el("span", "", "100 ms"),
            el("span", "", "1 s"), el("span", "", "10 s"),
            el("span", "", "more"));
        const h = add(el("h2", "", label + " "), sum);
        cols.append(add(box, h, e, ticks));
        return {e, sum};
    }
    const WORKER = METRICS.worker.filter((m) => m.head);
    function makeMore() {
        const tr = el("tr", "more");
        const td = el("td");
        td.colSpan = COLUMNS.length;
        const cols = el("div", "cols");
        const facts = el("div");
        const dl = el("dl");
        add(facts, el("h2", "", "Pool"), dl);
        const m = {tr, dds: [], workers: new Map()};
        for (const [label] of FACTS) {
            const dt = el("dt", "", label), dd = el("dd");
            add(dl, dt, dd);
            m.dds.push([dt, dd]);
        }
        cols.append(facts);
        const right = el("div");
        m.took = chart(right, "Time with a worker");
        m.waits = chart(right, "Time waiting");
        cols.append(right);
        m.errHead = el("h2", "", "Last output");
        m.err = el("pre");
        m.table = el("table");
        const tops = el("tr");
        for (const m of WORKER) tops.append(el("th", m.type === "state" ? "left" : "", m.head));
        m.tbody = el("tbody");
        add(m.table, add(el("thead"), tops), m.tbody);
        m.none = el("p", "soft", "No workers are known.");
        add(td, cols, el("h2", "", "Workers"), m.none,
            add(el("div", "workers"), m.table), m.errHead, m.err);
        tr.append(td);
        return m;
    }
    function histogram(c, h) {
        bars(c.e, h.counts);
        text(c.sum, h.count ? "mean " + span(h.sum / h.count) : "");
    }
    function fillMore(m, p) {
        FACTS.forEach(([, value], i) => {
            const s = value(p);
            text(m.dds[i][1], s);
            for (const e of m.dds[i]) e.classList.toggle("hide", s === "");
        });
        histogram(m.took, p.request_time);
        histogram(m.waits, p.queue_time);
        m.errHead.classList.toggle("hide", !p.last_stderr);
        m.err.classList.toggle("hide", !p.last_stderr);
        text(m.err, p.last_stderr);
        m.none.classList.toggle("hide", p.worker.length > 0);
        m.table.classList.toggle("hide", p.worker.length === 0);
        const seen = new Set();
        for (const w of p.worker) {
            const key = String(w.pid);
            let tr = m.workers.get(key);
            seen.add(key);
            if (!tr) {
                tr = el("tr");
                for (const {type} of WORKER) {
                    const td = el("td", type === "state" ? "left" : "");
                    tr.append(add(td, el("span")));
                }
                m.workers.set(key, tr);
                m.tbody.append(tr);
            }
            WORKER.forEach(({member, type}, i) => {
                const box = tr.children[i].firstChild;
                text(box, SHOW[type](w[member]));
                if (type === "state") attr(box, "class", "state is-" + w[member]);
            });
        }
        for (const [key, tr] of m.workers) {
            if (!seen.has(key)) {
                tr.remove();
                m.workers.delete(key);
            }
        }
    }

    // --- all of it

    // A pool whose socket was changed is there twice for a while.
    function keyed(list) {
        const seen = new Map();
        return list.map((p) => {
            const n = seen.get(p.name) || 0;
            seen.set(p.name, n + 1);
            return {key: n ? p.name + " " + n : p.name, p};
        });
    }
    function sorted(list) {
        const value = COLUMNS.find((c) => c[0] === order.by)[2];
        const way = order.down ? -1 : 1;
        return list.sort((a, b) => {
            const bad = fails(b.p) - fails(a.p);
            if (bad) return bad;
            const x = value(a.p, a.sums), y = value(b.p, b.sums);
            const d = typeof x === "string" ? byName(x, y) : x - y;
            return d * way || byName(a.p.name, b.p.name) || byName(a.key, b.key);
        });
    }
    function showTiles() {
        const all = total(last.pools);
        const list = history.get("");
        text(busyTile.number, count(all.busy));
        text(busyTile.of, " of " + count(all.workers));
        text(waitTile.number, count(all.queue));
        text(rateTile.number, rate(recent(list).rate));
        const bad = failures(all);
        text(failTile.number, count(bad));
        attr(failTile.number, "class", isBad(bad, list, last.pools) ? "bad" : "");
        for (const [k, dd] of failParts) text(dd, count(all[k]));
        draw(busyTile.s, list, "busy", 4);
        draw(waitTile.s, list, "queue", 4);
        draw(rateTile.s, list, "rate", 1);
    }
    function showManager() {
        const m = last.manager;
        text(manager, (m.answers ? "manager " + m.pid + ", up " + span(m.uptime)
            : "manager " + m.pid + " does not answer") + ", " + m.reloads + " reloads, " + m.restarts
            + " restarts, version " + last.version);
        alarm.classList.toggle("hide", m.answers);
        if (!m.answers) {
            text(alarm, "The manager does not answer: " + m.error
                + ". What is shown is what httpd knows without it: workers are "
                + "not listed, their number is what the manager said last.");
        }
    }
    function show() {
        const list = keyed(last.pools);
        for (const e of list) e.sums = recent(history.get("p" + e.key));
        showManager();
        showTiles();
        Array.from(headRow.children).forEach((th, i) => {
            if (COLUMNS[i][0] !== order.by) th.removeAttribute("aria-sort");
            else attr(th, "aria-sort", order.down ? "descending" : "ascending");
        });
        if (sortBox.value !== order.by) sortBox.value = order.by;
        const there = new Set(list.map((e) => e.key));
        for (const [key, r] of rows) {
            if (!there.has(key)) {
                r.body.remove();
                rows.delete(key);
                history.delete("p" + key);
            }
        }
        let before = table.firstChild;    // the head
        const wanted = filterBox.value.trim().toLowerCase();
        for (const {key, p, sums} of sorted(list)) {
            let r = rows.get(key);
            if (!r) rows.set(key, r = makeRow(key, p));
            fillRow(r, key, p, history.get("p" + key), sums);
            r.body.classList.toggle("hide",
                !p.name.toLowerCase().includes(wanted));
            if (before.nextSibling !== r.body) before.after(r.body);
            before = r.body;
        }
    }
    function take(status) {
        const now = performance.now();
        last = status;
        remember("", now, total(status.pools));
        for (const {key, p} of keyed(status.pools)) remember("p" + key, now, p);
        text(clock, new Date().toLocaleTimeString());
        show();
    }

    // --- the time

    let timer = 0, asking = false;
    async function ask() {
        if (asking) return;
        asking = true;
        try {
            const stop = new AbortController();
            const late = setTimeout(() => stop.abort(), 10000);
            const answer = await fetch("?json", {cache: "no-store", signal: stop.signal});
            if (!answer.ok) throw new Error("httpd answers " + answer.status);
            const status = await answer.json();
            clearTimeout(late);
            take(status);
        } catch (e) {
            text(alarm, "What is shown is old, there is nothing newer: " + e.message + ".");
            alarm.classList.remove("hide");
        }
        asking = false;
        clearTimeout(timer);
        timer = setTimeout(tick, EVERY);
    }
    function tick() {
        if (!doc.hidden) ask();
    }
    doc.addEventListener("visibilitychange", tick);
    try {
        take(JSON.parse(doc.getElementById("data").textContent));
    } catch (e) {
        doc.documentElement.className = "";   // the plain table, then
        throw e;
    }
    timer = setTimeout(tick, EVERY);
})();
