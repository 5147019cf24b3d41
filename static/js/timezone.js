// Shows <time datetime data-local> in the viewer's zone (or the zone of <html data-time-zone>), title in UTC.
const zone = document.documentElement.dataset.timeZone || undefined;

function formatter(options) {
  try {
    return new Intl.DateTimeFormat(undefined, { timeZone: zone, hourCycle: "h23", ...options });
  } catch {
    return new Intl.DateTimeFormat(undefined, { hourCycle: "h23", ...options });
  }
}

const full = formatter({ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
const short = formatter({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const dated = formatter({ year: "numeric", month: "short", day: "numeric" });
const clock = formatter({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "long" });

const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const [unit, size] = steps.find(([, s]) => Math.abs(seconds) >= s) ?? steps[3];
  return relative.format(Math.round(seconds / size), unit);
}

function utc(date) {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

const formats = { full: (d) => full.format(d), short: (d) => short.format(d), date: (d) => dated.format(d), clock: (d) => clock.format(d), relative: ago };

export function localise(root = document) {
  for (const element of root.querySelectorAll("time[data-local][datetime]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const format = formats[element.dataset.local] ?? formats.full;
    element.textContent = format(date);
    element.title = element.dataset.local === "relative" ? `${full.format(date)} (${utc(date)})` : utc(date);
  }
}

export function start() {
  localise();
  setInterval(() => {
    for (const element of document.querySelectorAll('time[data-local="relative"][datetime]')) {
      const date = new Date(element.dateTime);
      if (!Number.isNaN(date.getTime())) element.textContent = ago(date);
    }
  }, 30_000);
}
