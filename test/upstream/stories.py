"""Two stories as Gemini tells them: twelve beats each, and two panels to a beat. Data only; comics.py serves it."""
import collections

Story = collections.namedtuple("Story", "story_id title means characters beats")  # means: words of whoever wishes for it
Beat = collections.namedtuple("Beat", "vi en emotion panels")
Panel = collections.namedtuple("Panel", "vi tags dialogue speaker emotion")

DRAGON = Story(
    "an-va-con-rong-giay", "An và con rồng giấy", ("rồng", "dragon", "giấy", "paper"),
    [("An", "1girl, short black hair, red ao dai, brown eyes, ten years old"),
     ("Rồng Giấy", "small white paper dragon, folded wings, golden eyes"),
     ("Bà Nội", "old woman, grey hair bun, purple ao dai, round glasses"),
     ("Người Khổng Lồ", "giant, cloud body, long white beard, blue eyes")],
    [Beat("An gấp một con rồng giấy trong căn gác đầy nắng.", "An folds a paper dragon in a sunny attic.", "happy", [
        Panel("An ngồi bên cửa sổ, tay gấp tờ giấy trắng.", "1girl, sitting, sunny attic, window, folding paper",
              "Chỉ còn một nếp gấp nữa thôi!", "An", "happy"),
        Panel("Con rồng giấy nằm trên bàn, ánh nắng chiếu qua.", "paper dragon on a desk, sunbeams, dust, still life",
              "Chiều hôm ấy, căn gác yên tĩnh lạ thường.", "narrator", "neutral")]),
     Beat("Con rồng giấy bất ngờ mở mắt và cất tiếng chào.", "The paper dragon opens its eyes and says hello.", "surprised", [
         Panel("Rồng giấy mở đôi mắt vàng, An giật mình ngã ngửa.", "1girl, falling back, paper dragon, glowing eyes",
               "Chào cậu! Cậu gấp tớ khéo quá!", "Rồng Giấy", "happy"),
         Panel("An tròn mắt nhìn sinh vật bé nhỏ.", "1girl, close-up, surprised face, open mouth",
               "Trời ơi... cậu biết nói thật sao?", "An", "surprised")]),
     Beat("Rồng kể rằng ngọn gió phương Bắc đã bị đánh cắp.", "The dragon tells that the north wind was stolen.", "sad", [
         Panel("Rồng giấy cụp cánh, bầu trời ngoài cửa sổ đứng gió.", "paper dragon, drooping wings, still sky, window",
               "Không có gió, tớ chẳng thể bay được.", "Rồng Giấy", "sad"),
         Panel("Những chiếc diều nằm im trên mái nhà.", "kites lying on rooftops, quiet village, evening",
               "Cả làng đã ba ngày không có một ngọn gió.", "narrator", "sad")]),
     Beat("An quyết định lên đường tìm lại ngọn gió.", "An decides to go and find the wind.", "happy", [
         Panel("An đeo ba lô, giơ nắm tay lên trời.", "1girl, backpack, raised fist, determined, village gate",
               "Đi thôi! Mình sẽ mang gió trở về!", "An", "happy"),
         Panel("Bà Nội trao cho An chiếc đèn lồng.", "old woman, 1girl, giving a lantern, doorway, warm light",
               "Cháu nhớ giữ ngọn lửa này nhé.", "Bà Nội", "neutral")]),
     Beat("Hai bạn băng qua cánh đồng lúa lúc hoàng hôn.", "The two cross the rice fields at dusk.", "neutral", [
         Panel("An chạy trên bờ ruộng, rồng ngồi trên vai.", "1girl, running, rice fields, sunset, paper dragon on shoulder",
               "Nhìn kìa, đồng lúa như một biển vàng!", "An", "happy"),
         Panel("Mặt trời lặn sau dãy núi xa.", "sunset, mountains, rice fields, wide shot, scenery",
               "", "", "neutral")]),
     Beat("Trong rừng tre, một bầy đom đóm chỉ đường.", "In the bamboo forest fireflies show the way.", "thinking", [
         Panel("Rừng tre tối, đom đóm xếp thành mũi tên.", "bamboo forest, night, fireflies, arrow of light",
               "Hình như chúng muốn mình đi lối này...", "An", "thinking"),
         Panel("Rồng giấy đậu trên đốt tre, nghiêng đầu nghe ngóng.", "paper dragon, bamboo, tilting head, night",
               "Suỵt! Có tiếng ai đang khóc.", "Rồng Giấy", "thinking")]),
     Beat("Họ gặp người khổng lồ mây đang giữ ngọn gió.", "They meet the cloud giant who holds the wind.", "surprised", [
         Panel("Người khổng lồ mây ôm chiếc bình phát sáng.", "cloud giant, glowing jar, mountain top, night sky",
               "Ai dám bước vào nhà của ta?", "Người Khổng Lồ", "angry"),
         Panel("An che chắn cho rồng giấy sau lưng.", "1girl, protecting paper dragon, wind, cliff",
               "Xin hãy trả gió lại cho làng cháu!", "An", "angry")]),
     Beat("Người khổng lồ nổi giận và gọi bão tới.", "The giant grows angry and calls a storm.", "angry", [
         Panel("Sấm chớp xé trời, mưa quất ngang.", "lightning, storm, dark clouds, rain, dramatic",
               "Không! Gió là bạn duy nhất của ta!", "Người Khổng Lồ", "angry"),
         Panel("Rồng giấy ướt sũng, sắp rách cánh.", "paper dragon, wet, torn wing, rain, 1girl reaching out",
               "An ơi... cánh của tớ...", "Rồng Giấy", "sad")]),
     Beat("An hiểu rằng người khổng lồ chỉ cô đơn.", "An understands that the giant is only lonely.", "sad", [
         Panel("An giơ đèn lồng, ánh sáng ấm soi gương mặt khổng lồ.", "1girl, holding lantern, warm light, giant face, tears",
               "Chú buồn vì không có ai chơi cùng, phải không?", "An", "sad"),
         Panel("Một giọt nước mắt lớn rơi xuống.", "cloud giant, crying, big tear, close-up",
               "Đã trăm năm rồi chẳng ai gọi tên ta.", "Người Khổng Lồ", "sad")]),
     Beat("An mời người khổng lồ về dự hội thả diều.", "An invites the giant to the kite festival.", "happy", [
         Panel("An chìa tay ra, mỉm cười.", "1girl, smiling, reaching out hand, cloud giant, dawn",
               "Mai làng cháu có hội thả diều, chú đến nhé!", "An", "happy"),
         Panel("Người khổng lồ mở nắp bình, gió ùa ra.", "open jar, swirling wind, sparkles, cloud giant smiling",
               "Được! Ta sẽ thổi cho diều bay thật cao!", "Người Khổng Lồ", "happy")]),
     Beat("Ngọn gió trở về, rồng giấy bay lên trời.", "The wind returns and the paper dragon takes off.", "happy", [
         Panel("Rồng giấy xoè cánh, bay vút qua mặt trời.", "paper dragon, flying, sun, blue sky, clouds",
               "Tớ bay được rồi! An ơi, nhìn này!", "Rồng Giấy", "happy"),
         Panel("An cưỡi trên lưng mây nhìn xuống làng.", "1girl, riding a cloud, village below, morning",
               "Gió mát quá! Ôi, kia là nhà bà!", "An", "surprised")]),
     Beat("Cả làng thả diều dưới bầu trời lộng gió.", "The whole village flies kites in a windy sky.", "happy", [
         Panel("Hàng trăm chiếc diều rực rỡ trên cánh đồng.", "many colorful kites, festival, green field, blue sky",
               "Từ đó, làng nhỏ chẳng bao giờ thiếu gió.", "narrator", "happy"),
         Panel("Bà Nội ôm An, rồng giấy đậu trên nón lá.", "old woman, 1girl, hug, paper dragon on conical hat",
               "Bà biết cháu sẽ làm được mà.", "Bà Nội", "happy")])])

CAT = Story(
    "meo-may-o-ngon-hai-dang", "Mèo máy ở ngọn hải đăng", ("mèo", "cat", "hải đăng", "lighthouse", "robot"),
    [("Bi", "1boy, messy brown hair, yellow raincoat, green eyes"),
     ("Tích Tắc", "robot cat, copper body, round blue eyes, wind-up key"),
     ("Ông Hải", "old man, white beard, captain hat, navy coat"),
     ("Mẹ", "1girl, adult, long brown hair, blue scarf, green eyes")],
    [Beat("Bi nhặt được một chú mèo máy hỏng trên bãi biển.", "Bi finds a broken robot cat on the beach.", "surprised", [
        Panel("Bi quỳ trên cát, phủi cát khỏi chú mèo đồng.", "1boy, kneeling, beach, robot cat, morning",
              "Ồ! Ai bỏ quên cậu ở đây thế?", "Bi", "surprised"),
        Panel("Chiếc chìa khoá dây cót gỉ sét trên lưng mèo.", "wind-up key, rust, copper, close-up",
              "Sáng hôm ấy, sóng đưa vào bờ một món quà lạ.", "narrator", "neutral")]),
     Beat("Bi lên dây cót và mèo máy tỉnh dậy.", "Bi winds it up and the robot cat wakes.", "happy", [
         Panel("Mắt mèo sáng xanh, đuôi vẫy loảng xoảng.", "robot cat, glowing blue eyes, waving tail, sparks",
               "Tích... tắc... Xin chào, thuyền trưởng!", "Tích Tắc", "happy"),
         Panel("Bi cười phá lên, ôm chú mèo.", "1boy, laughing, hugging robot cat, beach",
               "Tớ là Bi, đâu phải thuyền trưởng!", "Bi", "happy")]),
     Beat("Ông Hải kể ngọn hải đăng sắp tắt vĩnh viễn.", "Old Hải says the lighthouse is about to go dark.", "sad", [
         Panel("Ông Hải đứng dưới chân hải đăng cũ kỹ.", "old man, lighthouse, cloudy sky, worried",
               "Bánh răng chính vỡ rồi, đêm nay đèn sẽ tắt.", "Ông Hải", "sad"),
         Panel("Bi nhìn lên ngọn đèn lờ mờ.", "1boy, looking up, lighthouse, low angle",
               "Thế còn những con tàu ngoài khơi thì sao ạ?", "Bi", "sad")]),
     Beat("Tích Tắc nói trong tim mình có một bánh răng.", "Tích Tắc says there is a gear in its heart.", "thinking", [
         Panel("Mèo máy đặt chân lên ngực, đèn nhấp nháy.", "robot cat, paw on chest, glowing heart, dim room",
               "Bánh răng của tớ... vừa khít đấy.", "Tích Tắc", "thinking"),
         Panel("Bi lắc đầu quầy quậy.", "1boy, shaking head, tears in eyes, close-up",
               "Không được! Cậu sẽ không chạy nữa mất!", "Bi", "angry")]),
     Beat("Bão kéo đến, con tàu của mẹ Bi đang ở ngoài khơi.", "A storm comes; the ship of Bi's mother is at sea.",
          "surprised", [
         Panel("Mây đen cuồn cuộn trên biển, một con tàu nhỏ.", "storm, huge waves, small ship, dark clouds",
               "Tàu của mẹ! Mẹ đang ở ngoài đó!", "Bi", "surprised"),
         Panel("Ông Hải quay máy bộ đàm, mồ hôi lấm tấm.", "old man, radio, lamp, worried, interior",
               "A lô! Nghe rõ trả lời!", "Ông Hải", "angry")]),
     Beat("Bi và Tích Tắc chạy lên ba trăm bậc thang.", "Bi and Tích Tắc run up three hundred steps.", "neutral", [
         Panel("Cầu thang xoắn ốc, bóng hai bạn chạy vội.", "spiral stairs, 1boy, robot cat, running, from above",
               "Nhanh lên, Tích Tắc!", "Bi", "neutral"),
         Panel("Mưa đập vào ô cửa kính.", "rain on window, lighthouse interior, night", "", "", "neutral")]),
     Beat("Bánh răng lớn gãy đôi, đèn phụt tắt.", "The great gear breaks and the light goes out.", "sad", [
         Panel("Bóng tối trùm xuống, tia lửa văng.", "dark room, broken gear, sparks, machinery",
               "Rắc! Ngọn đèn trăm năm vụt tắt.", "narrator", "surprised"),
         Panel("Bi ôm mặt trong bóng tối.", "1boy, crying, darkness, rim light",
               "Mẹ ơi... mẹ không thấy đường về mất.", "Bi", "sad")]),
     Beat("Tích Tắc lặng lẽ tháo bánh răng của mình.", "Tích Tắc quietly takes out its own gear.", "sad", [
         Panel("Mèo máy đưa bánh răng vàng phát sáng.", "robot cat, golden gear, glowing, offering",
               "Bạn bè là để thắp sáng cho nhau mà.", "Tích Tắc", "happy"),
         Panel("Đôi mắt xanh của mèo mờ dần.", "robot cat, dim eyes, close-up, soft light",
               "Đừng khóc nhé, thuyền trưởng...", "Tích Tắc", "sad")]),
     Beat("Ánh đèn bừng lên, soi đường cho con tàu.", "The light blazes and guides the ship.", "happy", [
         Panel("Luồng sáng xuyên qua bão tố.", "lighthouse beam, storm, sea, dramatic light",
               "Sáng rồi! Đèn sáng rồi!", "Ông Hải", "happy"),
         Panel("Con tàu đổi hướng vào bờ.", "ship, light beam, waves, harbor",
               "Con tàu theo ánh sáng, lướt về bến.", "narrator", "neutral")]),
     Beat("Mẹ trở về, nhưng Tích Tắc không động đậy nữa.", "Mother is back, but Tích Tắc moves no more.", "sad", [
         Panel("Mẹ ôm Bi trên cầu cảng dưới mưa.", "mother and son, hug, pier, rain, lantern",
               "Mẹ đây rồi, con trai dũng cảm của mẹ.", "Mẹ", "happy"),
         Panel("Bi đặt mèo máy lên bàn gỗ.", "1boy, robot cat lying on table, workshop, night",
               "Tớ nhất định sẽ sửa được cho cậu.", "Bi", "sad")]),
     Beat("Cả làng góp từng mảnh đồng làm bánh răng mới.", "The village gives bits of copper for a new gear.", "happy", [
         Panel("Mọi người xếp hàng, mang theo nồi, chuông, cúc áo.", "villagers, queue, copper pots, workshop, sunny",
               "Con lấy cái chuông của mẹ này!", "Mẹ", "happy"),
         Panel("Ông Hải rèn bánh răng, tia lửa như sao.", "old man, forging, sparks, anvil",
               "Thêm một chút nữa... Xong rồi!", "Ông Hải", "happy")]),
     Beat("Tích Tắc mở mắt, và mỗi đêm cùng Bi thắp đèn.", "Tích Tắc wakes, and each night lights the lamp with Bi.", "happy", [
         Panel("Mèo máy vươn vai, đuôi vẫy.", "robot cat, stretching, happy, morning light, workshop",
               "Tích... tắc! Tớ ngủ có lâu không?", "Tích Tắc", "happy"),
         Panel("Bi và mèo ngồi trên ban công hải đăng ngắm biển.", "1boy, robot cat, lighthouse balcony, starry sky, sea",
               "Và ngọn đèn ấy không bao giờ tắt nữa.", "narrator", "happy")])])

STORIES = [DRAGON, CAT]
