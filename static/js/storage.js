// localStorage that never throws (private windows, blocked storage).
const prefix = "expacti.";

export function read(name, fallback = null) {
  try {
    return localStorage.getItem(prefix + name) ?? fallback;
  } catch {
    return fallback;
  }
}

export function write(name, value) {
  try {
    if (value === null) localStorage.removeItem(prefix + name);
    else localStorage.setItem(prefix + name, value);
  } catch {
    // The choice lasts until the page is left.
  }
}
