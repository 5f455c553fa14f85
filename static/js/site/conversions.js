/* LUX: tells of conversions, with the visitor's consent and never without it. See docs/analytics.md of LUX. */
(function () {
  "use strict";
  var script = document.currentScript, data = script.dataset, nav = navigator, store = "lux_visit", waiting = [];
  var refused = nav.globalPrivacyControl || nav.doNotTrack === "1" || window.doNotTrack === "1", granted = false;
  var words = { lux_click: "click", utm_source: "utm_source", utm_medium: "utm_medium", utm_campaign: "utm_campaign" };

  function visit() {
    var query = new URLSearchParams(location.search), found = {}, known;
    Object.keys(words).forEach(function (word) {
      if (query.get(word)) found[words[word]] = query.get(word).slice(0, 80);
    });
    try {
      known = JSON.parse(localStorage.getItem(store)) || {};
      if (!Object.keys(found).length) return known.until > Date.now() ? known.found : {};
      localStorage.setItem(store, JSON.stringify({ found: found, until: Date.now() + 7776e6 }));
    } catch (_) { /* no storage: this page only */ }
    return found;
  }

  function send(name, detail) {
    fetch(new URL("/api/conversions/site", script.src), {
      method: "POST", keepalive: true, credentials: "omit",
      body: JSON.stringify(Object.assign({ name: name, consent: "granted" }, visit(), detail))
    }).catch(function () { /* offline */ });
  }

  window.lux = {
    consent: function (yes) {
      granted = yes && !refused;
      if (granted) {
        visit();
        waiting.splice(0).forEach(function (one) { send(one[0], one[1]); });
      } else {
        waiting = [];
        try { localStorage.removeItem(store); } catch (_) { /* no storage */ }
      }
    },
    convert: function (name, detail) {
      if (granted) send(name, detail);
      else waiting.push([name, detail]);
    }
  };
  if (data.convert) lux.convert(data.convert, { key: data.key, value: data.value, currency: data.currency });
  if (data.consent === "granted") lux.consent(true);
})();
