local data = require "twilio_sms.keywords_data"
local keywords = require "twilio_sms.keywords"

local ALL = { languages = { "en", "es", "fr", "de", "pt", "it", "nl" } }

local function caller_of(f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    assert.matches("^spec/keywords_spec.lua:%d+: ", err)
    return err
end

describe("strict words", function()
    it("are Twilio's, in any case", function()
        for action, words in pairs(data.strict) do
            for _, word in ipairs(words) do
                for _, text in ipairs { word, word:lower(), word:sub(1, 1) .. word:sub(2):lower() } do
                    assert.same({ action, "strict", word }, { keywords.classify(text) })
                end
            end
        end
    end)

    it("are so with Unicode's white space around them", function()
        for _, space in ipairs {
            " ", "\t", "\n", "\r\n", "\11", "\12", "\194\133", "\194\160", "\225\154\128", "\226\128\128",
            "\226\128\138", "\226\128\168", "\226\128\169", "\226\128\175", "\226\129\159", "\227\128\128",
        } do
            assert.same({ "stop", "strict", "STOP" }, { keywords.classify(space .. "stop" .. space:rep(3)) })
        end
    end)
end)

describe("the wide class", function()
    local STOP = {
        "Stop.", "STOP!!!", "stop,", "'stop'", '"STOP"', "(stop)", "“Stop”", "‘stop’", "«stop»",
        "STOP…", "¡STOP!", "*stop*", "stop 🛑", "😡 STOP", "#stop", "stop-", "Quit.", "end!",
        "cancel!!", "Unsubscribe.", "revoke.", "opt out", "Opt-Out", "OPT‑OUT", "opt  out", "opt\nout.",
        "Opt me out", "stop all", "STOP-ALL", "stop it", "please stop", "Stop please", "pls stop!",
        "STOP, thanks", "please stop texting me", "Stop texting me!", "stop texting me please",
        "stop messaging me", "Stop sending me messages.", "STOP STOP STOP", "stop... stop!",
        "Don't text me", "don’t text me again", "do not contact me", "No more texts",
        "no more messages!!", "leave me alone", "remove me", "Please remove me from your list",
        "take me off your list", "unsubscribe me", "I want to opt out", "I revoke my consent",
        "cancel my subscription", "please cancel", "ＳＴＯＰ", "ｓｔｏｐ！", "STOP",
        "S\226\128\139TOP", "\239\187\191STOP", "ST\194\173OP", "STOP\239\184\143",
        "\226\128\142stop\226\128\143", "STÓP", "sto\204\129p", "STOP\0",
        "stop messaging", "Stop sending!", "STOP ALL TEXTS", "stop spamming me", "Stop spamming.",
        "delete me", "Delete my number please", "Get me off your list", "get me off this list!",
        "Take me off your list.",
        "I said stop", "I SAID STOP!!!", "i said please stop", "I said: remove me", "cancel please thank you",
        "Please please stop, thank you, thanks", "please unsubscribe me, thanks!",
    }

    -- What a thumb, an accent or a filter makes of a word.
    local DISGUISED = {
        "S.T.O.P.", "S T O P", "s-t-o-p", "S.T.O.P. please", "s t o p a l l", "Q U I T", "C.A.N.C.E.L",
        "STOPPP", "stoppppppppp!", "Stop alllll", "STOPALLLL", "quittt", "please stopppp", "unsubscribeee",
        "\208\133\208\162\208\158\208\160", "\209\149\209\130\208\190\209\128", "S\208\162\206\159P",
        "\206\149\206\157D", "please \209\149top",
    }

    local SIGNED = {
        "STOP\nSent from my iPhone", "Stop.\r\n\r\nGet Outlook for Android", "stop\n\nSent from my Galaxy",
        "please stop\n\nSent via the Samsung Galaxy S10, an AT&T 5G smartphone", "Quit\nGet Outlook for iOS",
        "remove me\nfrom your list\nSent from Yahoo Mail on Android", "stop\nEnvoyé de mon iPhone",
        "STOP\n\nVon meinem iPhone gesendet", "stop\nEnviado desde mi iPhone", "STOP\nInviato da iPhone",
        "Arrêt\nSent from my iPhone",
    }

    it("takes what a person would understand", function()
        for _, text in ipairs(STOP) do
            assert.equal("stop", (keywords.classify(text)), text)
        end
        assert.same({ "stop", "wide", "OPT OUT" }, { keywords.classify "opt-out!" })
        assert.same({ "help", "wide", "HELP" }, { keywords.classify "Help?" })
        assert.same({ "help", "wide", "HELP ME" }, { keywords.classify "please help me" })
    end)

    it("takes what is spelt, stretched or written with letters that look alike", function()
        for _, text in ipairs(DISGUISED) do
            local action, class = keywords.classify(text)
            assert.same({ "stop", "wide" }, { action, class }, text)
        end
    end)

    it("takes what stands above a signature", function()
        for _, text in ipairs(SIGNED) do
            local action, class = keywords.classify(text, ALL)
            assert.same({ "stop", "wide" }, { action, class }, text)
        end
    end)

    local NEITHER = {
        "", " ", "\n\t", ".", "!!!", "'", "please", "thanks", "🙂", "\194\160", "don't stop sending",
        "don't stop", "Don’t stop!", "the bus will stop here", "I can't stop laughing", "never stop",
        "non-stop", "stop by at five", "stop sign", "where is the stop", "please stop by tomorrow",
        "what does STOP do", "Reply STOP to opt out", "I did not say stop", "stopped", "stopping", "stops",
        "unstoppable", "nonstop", "full stop ahead", "bus stop", "stop the car", "stop 2", "st op",
        "s to p", "the end", "end of the day", "weekend", "endless", "happy ending", "at the end",
        "quit smoking", "I quit my job", "quite", "quit it now or else", "cancel my 3pm",
        "cancel the table", "can you cancel the order", "canceled", "cancellation policy", "Do not cancel",
        "revoke his licence", "opt in", "opt", "out", "options", "optout2", "remove the onions",
        "remove it from the cart", "unsubscribed yet?", "how do I unsubscribe", "infos", "information",
        "helpful", "can you help my brother", "help yourself", "yes please", "Yes.", "yes!",
        "yes, I will come", "START!", "please start", "start now", "restart", "un stop", "un-stop", "no",
        "ok", "alto", "arrêt", "baja", "stopp", "sair", "1", "+15558675310", "\0", "\255\254STOP",
        "\192\128stop", "no more snow today", "stop by later", "delete the photo please",
        "delete my account photo",
        "get me off at the next stop", "take me off the hook", "take me off speaker",
        "stop sending the driver",
        "stop messaging him", "stop all work at noon", "stop spamming the chat lol", "I said stop it was red",
        "I said please", "I said", "he said stop", "please thanks", "thanks please",
        "cancel the thank you note",
        "stoppp it there and turn left", "stoop", "stoopp", "stopp", "endd", "o", "a b c", "U R 2 kind",
        "s t o r e", "S T", "x x x", "Sent from my iPhone", "ok\nSent from my iPhone",
        "stop by later\nSent from my iPhone", "the bus will\nstop\nhere", "stop\nby\nSent from my iPhone",
        "Sent from my iPhone\nstop", "Get Outlook for iOS", "please\nSent from my iPhone",
        "stop\nsend me more",
        "стоп", "СТОР ЕЕ", "Τοπ", "sooo", "hmmm", "yesss", "YES\nSent from my iPhone",
        "START\nSent from my iPhone", "STARTTT", "S T A R T", "S.T.A.R.T.", "\208\133TART", "Y E S",
    }

    it("leaves ordinary sentences alone", function()
        for _, text in ipairs(NEITHER) do
            assert.is_nil((keywords.classify(text)), text)
        end
        assert.is_true(#STOP + #NEITHER >= 60)
    end)

    it("never opts in", function()
        for _, word in ipairs(data.strict.start) do
            for _, form in ipairs { "%s.", "%s!", "please %s", "%s please", "'%s'", "%s %s" } do
                assert.is_nil((keywords.classify((form:gsub("%%s", word)), ALL)), form)
            end
        end
    end)
end)

describe("languages", function()
    it("are English alone, unless more are asked for", function()
        assert.is_nil((keywords.classify "ARRÊT"))
        assert.same({ "stop", "wide", "ARRET" }, { keywords.classify("ARRÊT", { languages = { "fr" } }) })
        assert.is_nil((keywords.classify("opt out", { languages = { "fr" } })))
        assert.same({ "stop", "strict", "STOP" }, { keywords.classify("stop", { languages = {} }) })
    end)

    it("know their words with and without accents, in any case", function()
        for text, language in pairs {
            ["arret"] = "fr", ["Arrêt."] = "fr", ["ARRE\204\130T"] = "fr",
            ["arrêtez s'il vous plaît"] = "fr", ["Désabonner"] = "fr", ["alto"] = "es",
            ["¡Alto!"] = "es", ["BAJA"] = "es", ["dar de baja"] = "es", ["parar, por favor"] = "es",
            ["No más"] = "es", ["cancelar"] = "pt", ["SAIR"] = "pt", ["pare!"] = "pt",
            ["não envie mais"] = "pt", ["Stopp!"] = "de", ["bitte abmelden"] = "de", ["aufhören"] = "de",
            ["AUFHÖREN"] = "de", ["Keine SMS mehr"] = "de", ["basta"] = "it", ["Fermate, grazie"] = "it",
            ["Afmelden aub"] = "nl", ["stoppen"] = "nl",
        } do
            local action, class = keywords.classify(text, { languages = { language } })
            assert.equal("stop", action, text)
            assert.equal("wide", class, text)
            assert.equal("stop", (keywords.classify(text, ALL)), text)
        end
        local help = { AYUDA = "es", ["aide!"] = "fr", hilfe = "de", ajuda = "pt", aiuto = "it" }
        for text, language in pairs(help) do
            assert.equal("help", (keywords.classify(text, { languages = { language } })), text)
        end
    end)

    it("leave ordinary sentences alone, all together", function()
        for _, text in ipairs {
            "para mañana", "la temperatura baja", "fin de semana", "está en la baja", "l'arrêt de bus",
            "à la fin", "Ende gut, alles gut", "Wann ist Ende?", "das Ende der Straße",
            "basta così per oggi", "non fine", "sair de casa", "vou sair agora", "quiero cancelar la mesa",
            "bitte nicht aufhören", "cancella la cena", "gracias", "por favor", "merci", "danke bitte",
            "sí", "oui", "para mañana\nEnviado desde mi iPhone", "fin de semana\nEnvoyé de mon iPhone",
            "РАРА", "s a l u t", "bastaba", "finnn de semana", "e n d e gut",
        } do
            assert.is_nil((keywords.classify(text, ALL)), text)
        end
    end)

    it("hold words in the form that messages are brought into", function()
        for name, language in pairs(data.languages) do
            for _, action in ipairs { "stop", "help" } do
                for _, word in ipairs(language[action]) do
                    assert.same({ action, "wide", word },
                        { keywords.classify(word, { languages = { name } }) }, name .. ": " .. word)
                end
            end
            assert.is_true(#language.polite > 0)
        end
    end)
end)

describe("words of one's own", function()
    it("are added to the wide class, in any script", function()
        local opts = { words = { stop = { "Paragem!", "СТОП", "Τέλος", "退订" }, help = { "S.O.S." } } }
        for _, text in ipairs { "paragem", "стоп", "Стоп!", "τέλος", "退订", "「退订」" } do
            local action, class = keywords.classify(text, opts)
            assert.same({ "stop", "wide" }, { action, class })
        end
        assert.equal("help", (keywords.classify("s.o.s", opts)))
        assert.equal("stop", (keywords.classify("opt out", opts)))
    end)

    it("can be taken away, but for those that always count", function()
        local opts = { ignore = { "cancel", "end" } }
        assert.is_nil((keywords.classify("CANCEL", opts)))
        assert.is_nil((keywords.classify("Cancel!", opts)))
        for _, text in ipairs {
            "please cancel", "cancelll", "c a n c e l", "cancel\nSent from my iPhone", "c\208\176ncel",
        } do
            assert.is_nil((keywords.classify(text, opts)), text)
        end
        assert.equal("stop", (keywords.classify("quit", opts)))
        for _, word in ipairs(data.reserved) do
            assert.matches("always has its meaning", caller_of(function()
                keywords.classifier { ignore = { word:lower() } }
            end))
        end
    end)
end)

describe("any bytes", function()
    it("do no harm", function()
        local seed = 7
        local function random(n)
            seed = (seed * 16807) % 2147483647
            return seed % n
        end
        local classify = keywords.classifier(ALL)
        for _ = 1, 2000 do
            local bytes = {}
            for i = 1, random(40) do
                bytes[i] = string.char(random(4) > 0 and 128 + random(128) or random(256))
            end
            local text = table.concat(bytes)
            local action, class, word = classify(text)
            assert.is_true(action == nil or class ~= nil and word ~= nil)
        end
    end)

    it("cost time in proportion to their number, and are no word when they are many", function()
        assert.equal("stop", (keywords.classify((" "):rep(100000) .. "stop" .. ("\n"):rep(100000))))
        for _, text in ipairs {
            (" "):rep(200000), (" a"):rep(100000), ("stop "):rep(50000), ("\227\128\128"):rep(50000),
            "a" .. (" "):rep(200000) .. "b", ("stop\n"):rep(50000), ("a "):rep(120) .. "b",
            ("\nsent from my "):rep(15), ("please "):rep(36), ("\128"):rep(200000),
            ("\240"):rep(200000), ("stop"):rep(65),
        } do
            assert.is_nil((keywords.classify(text, ALL)))
        end
    end)
end)

describe("misuse", function()
    it("raises at the caller", function()
        assert.matches("classify takes a text, not nil", caller_of(function() keywords.classify() end))
        for _, case in ipairs {
            { { lang = {} }, "unknown option 'lang'" },
            { { languages = { "xx" } }, "unknown language 'xx'; there are de, en, es, fr, it, nl, pt" },
            { { languages = { en = true } }, "option 'languages' must be a list" },
            { { languages = "en" }, "option 'languages' must be a table, not a string" },
            { { words = { start = {} } }, "unknown option 'start'" },
            { { words = { stop = { 1 } } }, "option 'words.stop' must hold strings, not a number" },
            { { ignore = { false } }, "option 'ignore' must hold strings, not a boolean" },
        } do
            assert.matches(case[2], caller_of(function() keywords.classifier(case[1]) end), 1, true)
            assert.matches(case[2], caller_of(function() keywords.classify("stop", case[1]) end), 1, true)
        end
    end)
end)
