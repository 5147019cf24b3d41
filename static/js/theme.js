// Blocking on purpose and tiny: sets the theme before the first paint, so that there is no flash.
(function () {
  var root = document.documentElement;
  root.dataset.js = "";
  try {
    var theme = localStorage.getItem("expacti.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch (e) {
    // Storage is closed to us: follow the system.
  }
})();
