"""Logs and networks without addresses: log lines, metrics, ports, status codes, sizes, training runs."""

from datetime import timedelta

from .draw import Draw, Kind, any_of, one_of


def log_lines(draw: Draw) -> str:
    stamp = draw.pick(
        "%Y-%m-%d %H:%M:%S,123", "%Y-%m-%dT%H:%M:%S.045Z", "[%d/%b/%Y:%H:%M:%S +0000]", "%b %d %H:%M:%S", "%H:%M:%S"
    )
    lines, moment = [], draw.moment()
    for _ in range(draw.n(1, 4)):
        moment += timedelta(seconds=draw.n(0, 90))
        what = draw.fill(
            draw.pick(
                "GET /v⟨n 1-3⟩/items?page=⟨n 2-99⟩ 200 ⟨n 100-90000⟩ ⟨n 2-900⟩ms",
                "WARN queue depth ⟨n 100-9999⟩ above ⟨n 50-99⟩ %",
                "worker[⟨n 100-32000⟩]: shard ⟨n 1-99⟩/100 done in ⟨f 0-90.3⟩s",
                "ERROR code=E⟨n 1000-9999⟩ retry=⟨n 1-5⟩ backoff=⟨n 1-60⟩s",
                "INFO gc pause ⟨f 0-99.2⟩ms heap ⟨n 100-900⟩M->⟨n 20-99⟩M(1024M)",
                "kernel: [⟨n 10000-99999⟩.⟨n 100000-999999⟩] cpu⟨n 0-15⟩: temp ⟨n 60-99⟩C",
                "pid=⟨n 100-65000⟩ tid=⟨n 100-65000⟩ checkpoint at step ⟨n 1000-90000⟩",
            )
        )
        lines.append(f"{moment.strftime(stamp)} {what}")
    return "\n".join(lines)


KINDS: dict[str, Kind] = {
    "log_lines": log_lines,
    "network_terms": any_of(
        "The proxy listens on port ⟨n 1025-65535⟩ and answers 50⟨n 2-4⟩ after ⟨n 10-90⟩ s.",
        "MTU ⟨w 1500|1492|9000⟩, MSS ⟨n 1300-1460⟩, RTT ⟨f 0-90.1⟩ ms, loss ⟨f 0-9.2⟩ %",
        "HTTP/1.1 404 Not Found, Content-Length: ⟨n 100-9000⟩, Retry-After: ⟨n 10-300⟩",
        "VLAN ⟨n 2-4094⟩, TTL ⟨w 64|128|255⟩, AS⟨n 1000-64000⟩, a /⟨n 20-30⟩ with ⟨n 2-500⟩ hosts",
        "localhost:⟨n 3000-9999⟩ refuses connections; nothing listens on :⟨n 1025-9000⟩.",
        "SYN seq=⟨n 100000-999999999⟩ win=⟨n 1000-65535⟩ len=0",
        "Fibre ⟨n 100-1000⟩/⟨n 20-500⟩ Mbit/s, ping ⟨n 2-40⟩ ms, jitter ⟨f 0-9.1⟩ ms",
        "https://example.org/docs/v⟨n 1-9⟩/ports.html returns ⟨w 301|403|404|410⟩.",
    ),
    "training_runs": any_of(
        "epoch ⟨n 1-9⟩/10: loss ⟨f 0-4.4⟩, lr ⟨n 1-9⟩e-0⟨n 4-6⟩, ⟨n 100-9000⟩ tok/s",
        "step ⟨g 1000-90000⟩ | grad_norm ⟨f 0-9.3⟩ | mem ⟨f 10-79.1⟩GiB | eta ⟨n 1-9⟩:⟨n 10-59⟩:⟨n 10-59⟩",
        "exact_match 0.⟨n 100-999⟩ [0.⟨n 100-999⟩, 0.⟨n 100-999⟩] n=⟨n 100-900⟩ (⟨n 10-90⟩ clusters)",
        "⟨f 0-9.2⟩B parameters, rank ⟨w 8|16|64⟩, alpha ⟨w 16|32⟩, dropout 0.0⟨n 1-9⟩, seed ⟨n 0-9999⟩",
        "Confusion: TP ⟨n 100-999⟩, FP ⟨n 2-99⟩, FN ⟨n 2-99⟩, F1 0.⟨n 7000-9999⟩",
        " ⟨n 10-99⟩%|████▌     | ⟨n 100-999⟩/1000 [⟨n 10-59⟩:⟨n 10-59⟩<0⟨n 1-9⟩:⟨n 10-59⟩, ⟨f 1-90.2⟩it/s]",
    ),
    "memory_and_files": one_of(
        "-rw-r--r-- 1 root root ⟨n 1000-99999999⟩ ⟨t %b %d %H:%M⟩ part-⟨p #####⟩.parquet",
        "/dev/sda⟨n 1-9⟩  ⟨n 10-900⟩G  ⟨n 2-99⟩G  ⟨n 2-99⟩G  ⟨n 10-99⟩% /var",
        "total ⟨g 1000-99999999⟩ bytes (⟨f 1-90.2⟩ MiB) in ⟨n 2-900⟩ files",
        "PID ⟨n 100-65000⟩ uses ⟨f 0-99.1⟩% CPU and ⟨n 100-900⟩ MB; nice ⟨n 1-19⟩, prio ⟨n 20-39⟩",
        "backup_⟨t %Y%m%d_%H%M%S⟩.tar.gz.0⟨p ##⟩ is ⟨n 2-900⟩ KB short.",
        "IMG_⟨p ####⟩.JPG, DSC0⟨p ####⟩, scan_⟨n 10-99⟩_of_99.pdf, ⟨t %Y-%m-%d %H.%M.%S⟩.png",
        "chmod 0⟨w 644|755|600⟩ run.sh; ulimit -n ⟨n 1024-65535⟩; exit code ⟨n 1-139⟩",
        "free: ⟨n 1000000-99999999⟩ kB, swap ⟨n 0-9⟩ kB, inodes ⟨n 100000-9999999⟩",
    ),
    "error_codes": any_of(
        "Error 0x8007⟨p ~~~~⟩ appears after ⟨n 2-90⟩ %.",
        "ORA-⟨p 0####⟩: unique constraint violated, SQLSTATE ⟨n 22-42⟩P⟨p ##⟩",
        "The printer shows E-⟨n 10-99⟩, then F⟨n 1-9⟩.⟨n 10-99⟩; page count ⟨n 1000-99000⟩.",
        "TS⟨n 1000-9999⟩, E⟨n 100-999⟩ and RUF⟨p 0##⟩ are switched off in line ⟨n 2-900⟩.",
        "OBD code P0⟨p ###⟩ at ⟨g 10000-250000⟩ km; CVE-⟨n 2005-2025⟩-⟨n 1000-49999⟩ is patched.",
        "Fehler ⟨n 100-9999⟩: Zeile ⟨n 2-900⟩, Spalte ⟨n 2-80⟩. Erwartet „;“.",
        "errno ⟨n 1-110⟩, signal ⟨n 1-15⟩, RFC ⟨n 700-9600⟩ section ⟨n 2-9⟩.⟨n 1-9⟩",
    ),
}
