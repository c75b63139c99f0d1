"use strict";
// In the head, before anything is painted.
const THEME_KEY = "ctr-report-theme";
const root = document.documentElement;
root.classList.add("scripted");
try {
  const kept = localStorage.getItem(THEME_KEY);
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
} catch (error) {
  root.dataset.unkept = ""; // storage is forbidden: every visit begins with the system's theme
}
